"""Runs the checks of a Python lane: one line each, a bound in time, an exit code."""

import os
import signal
import sys
import time
import traceback

CHECK_SECONDS_MAX = 60

_checks = []


def check(sentence):
    """Makes a function a check; the sentence is about the product."""

    def add(function):
        _checks.append((sentence, function))
        return function

    return add


def unique(prefix):
    """A name that no earlier run used on the same server."""
    unique.count += 1
    return f"{prefix}-{os.getpid()}-{unique.count}"


unique.count = 0


def equal(found, expected, what=""):
    if found != expected:
        raise AssertionError(f"{what}: {found!r} instead of {expected!r}")


def until(what, condition, seconds=20):
    """Asks again and again, for what an interface can only be asked for."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def _overdue(*_):
    raise AssertionError(f"not done after {CHECK_SECONDS_MAX} s")


def run(lane):
    """Runs the checks whose sentences contain one of the arguments, or all."""
    wanted = sys.argv[1:]
    signal.signal(signal.SIGALRM, _overdue)
    ran = failed = 0
    for sentence, function in _checks:
        if wanted and not any(word in sentence for word in wanted):
            continue
        ran += 1
        began = time.monotonic()
        signal.alarm(CHECK_SECONDS_MAX)
        try:
            function()
            verdict = "ok   "
        except Exception as error:  # every failure is the check's
            failed += 1
            verdict = "FAIL "
            reason = str(error) or traceback.format_exc()
        signal.alarm(0)
        ms = int((time.monotonic() - began) * 1000)
        end = f": {reason}" if verdict == "FAIL " else ""
        print(f"{verdict} {sentence} ({ms} ms){end}", flush=True)
    print(f"{lane}: {ran} checks, {failed} failed", flush=True)
    sys.exit(1 if failed or not ran else 0)
