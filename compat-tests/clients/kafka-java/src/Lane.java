// Apache Kafka's own Java client, as an application would use it.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Lane {
    private static final String ADDRESS =
            Objects.requireNonNullElse(System.getenv("BRAID_KAFKA"), "127.0.0.1:9092");
    private static final long CHECK_SECONDS_MAX = 60;
    private static final Duration WAIT = Duration.ofSeconds(20);

    private static final ExecutorService THREADS = Executors.newCachedThreadPool(Lane::daemon);
    private static Admin admin;
    private static int names;
    private static int ran;
    private static int failed;

    private Lane() {}

    interface Body {
        void run() throws Exception;
    }

    public static void main(String[] wanted) {
        admin = Admin.create(properties(Map.of()));
        check(wanted, "topics are created, described and deleted", Lane::topics);
        check(wanted, "the cluster is described", Lane::cluster);
        check(wanted, "settings are described and altered one by one", Lane::configs);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            check(wanted, "the idempotent producer's " + codec + " records come back",
                    () -> codecs(codec));
        }
        check(wanted, "acks 0 and 1 keep records", Lane::acks);
        check(wanted, "headers, null and empty values come back", Lane::wholeRecords);
        check(wanted, "keys go to partitions as Java hashes them", Lane::keyed);
        check(wanted, "a record above max.message.bytes is refused", Lane::tooLarge);
        check(wanted, "offsets are found by time and sought", Lane::byTime);
        check(wanted, "a group resumes from its commits", Lane::resumes);
        for (String assignor : List.of("RangeAssignor", "CooperativeStickyAssignor")) {
            check(wanted, "three members of a group share by " + assignor, () -> shares(assignor));
        }
        check(wanted, "a static member comes back to its partitions", Lane::staticMember);
        check(wanted, "groups are listed, described and deleted", Lane::groups);
        System.out.println("kafka-java: " + ran + " checks, " + failed + " failed");
        System.out.flush();
        Runtime.getRuntime().halt(failed > 0 || ran == 0 ? 1 : 0);
    }

    private static Thread daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    }

    private static void check(String[] wanted, String sentence, Body body) {
        if (wanted.length > 0 && List.of(wanted).stream().noneMatch(sentence::contains)) {
            return;
        }
        ran++;
        long began = System.nanoTime();
        Future<?> running = THREADS.submit(() -> {
            body.run();
            return null;
        });
        String problem = "";
        try {
            running.get(CHECK_SECONDS_MAX, TimeUnit.SECONDS);
        } catch (TimeoutException late) {
            running.cancel(true);
            problem = ": not done after " + CHECK_SECONDS_MAX + " s";
        } catch (ExecutionException | InterruptedException error) {
            Throwable cause = Objects.requireNonNullElse(error.getCause(), error);
            problem = ": " + cause;
        }
        failed += problem.isEmpty() ? 0 : 1;
        long ms = (System.nanoTime() - began) / 1_000_000;
        String verdict = problem.isEmpty() ? "ok    " : "FAIL  ";
        System.out.println(verdict + sentence + " (" + ms + " ms)" + problem);
    }

    private static void equal(Object found, Object expected, String what) {
        if (!Objects.equals(found, expected)) {
            throw new AssertionError(what + ": " + found + " instead of " + expected);
        }
    }

    private static String unique(String prefix) {
        names++;
        return prefix + "-java-" + ProcessHandle.current().pid() + "-" + names;
    }

    private static Properties properties(Map<String, ?> further) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", ADDRESS);
        properties.putAll(further);
        return properties;
    }

    private static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(WAIT.toSeconds(), TimeUnit.SECONDS);
    }

    private static void refused(KafkaFuture<?> future, Class<?> with) throws Exception {
        try {
            get(future);
        } catch (ExecutionException error) {
            equal(error.getCause().getClass(), with, "refusal");
            return;
        }
        throw new AssertionError("accepted, where " + with + " was expected");
    }

    private static String topic(String prefix, int partitions) throws Exception {
        String name = unique(prefix);
        get(admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all());
        return name;
    }

    private static KafkaProducer<String, String> producer(Map<String, ?> further) {
        Properties properties = properties(further);
        return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
    }

    private static KafkaConsumer<String, String> consumer(String group, Map<String, ?> further) {
        Properties properties = properties(further);
        properties.put("group.id", group);
        properties.put("group.protocol", "classic");
        properties.putIfAbsent("auto.offset.reset", "earliest");
        properties.putIfAbsent("enable.auto.commit", "false");
        properties.put("heartbeat.interval.ms", "300");
        return new KafkaConsumer<>(
                properties, new StringDeserializer(), new StringDeserializer());
    }

    /** Sends all and waits for all: the offsets, in the order of sending. */
    private static List<Long> send(
            KafkaProducer<String, String> producer, List<ProducerRecord<String, String>> records)
            throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (ProducerRecord<String, String> record : records) {
            sent.add(producer.send(record));
        }
        producer.flush();
        List<Long> offsets = new ArrayList<>();
        for (Future<RecordMetadata> one : sent) {
            offsets.add(one.get(WAIT.toSeconds(), TimeUnit.SECONDS).offset());
        }
        return offsets;
    }

    private static List<ProducerRecord<String, String>> numbered(
            String topic, int from, int count, int partitions) {
        List<ProducerRecord<String, String>> records = new ArrayList<>();
        for (int index = from; index < from + count; index++) {
            String value = "value-" + index + "-" + "x".repeat(index % 300);
            records.add(new ProducerRecord<>(topic, index % partitions, "key-" + index, value));
        }
        return records;
    }

    private static void produce(String topic, int from, int count, int partitions)
            throws Exception {
        try (var producer = producer(Map.of())) {
            send(producer, numbered(topic, from, count, partitions));
        }
    }

    private static List<ConsumerRecord<String, String>> receive(
            KafkaConsumer<String, String> consumer, int count) {
        List<ConsumerRecord<String, String>> records = new ArrayList<>();
        long deadline = System.nanoTime() + WAIT.toNanos();
        while (records.size() < count) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(records.size() + " of " + count + " records");
            }
            consumer.poll(Duration.ofMillis(500)).forEach(records::add);
        }
        equal(records.size(), count, "records");
        return records;
    }

    private static List<ConsumerRecord<String, String>> read(String topic, int count) {
        try (var consumer = consumer(unique("reader"), Map.of())) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            return receive(consumer, count);
        }
    }

    private static void topics() throws Exception {
        String name = topic("topics", 3);

        var described = described(name);
        equal(described.partitions().size(), 3, "partitions");
        equal(get(admin.listTopics().names()).contains(name), true, "listed");
        var again = admin.createTopics(List.of(new NewTopic(name, 1, (short) 1)));
        refused(again.all(), TopicExistsException.class);
        get(admin.deleteTopics(List.of(name)).all());
        until(name + " is gone", () -> !get(admin.listTopics().names()).contains(name));
        refused(admin.deleteTopics(List.of(name)).all(), UnknownTopicOrPartitionException.class);

        get(admin.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all());
        var anew = described(name);
        equal(anew.topicId().equals(described.topicId()), false, "the same topic id");
    }

    /** A cluster may take a moment until every node knows a new topic. */
    private static TopicDescription described(String name) throws Exception {
        until(name + " is listed", () -> get(admin.listTopics().names()).contains(name));
        return get(admin.describeTopics(List.of(name)).allTopicNames()).get(name);
    }

    private static void cluster() throws Exception {
        var cluster = admin.describeCluster();

        equal(get(cluster.nodes()).size(), 1, "nodes");
        var node = get(cluster.nodes()).iterator().next();
        equal(node.host() + ":" + node.port(), ADDRESS, "address");
        equal(get(cluster.controller()).id(), node.id(), "controller");
        equal(get(cluster.clusterId()).isEmpty(), false, "no cluster id");
    }

    private static String config(ConfigResource resource, String name) throws Exception {
        return get(admin.describeConfigs(List.of(resource)).all()).get(resource).get(name).value();
    }

    private static void configs() throws Exception {
        String name = topic("configs", 1);
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, name);

        equal(config(resource, "retention.ms"), "604800000", "default");
        var set = new AlterConfigOp(
                new ConfigEntry("retention.ms", "90000000"), AlterConfigOp.OpType.SET);
        get(admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all());
        until("retention.ms is set", () -> config(resource, "retention.ms").equals("90000000"));
        var wrong = new AlterConfigOp(
                new ConfigEntry("no.such.setting", "1"), AlterConfigOp.OpType.SET);
        refused(admin.incrementalAlterConfigs(Map.of(resource, List.of(wrong))).all(),
                InvalidConfigurationException.class);
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    /** Asks again and again, for what an interface can only be asked for. */
    private static void until(String what, Condition condition) throws Exception {
        long deadline = System.nanoTime() + WAIT.toNanos();
        while (!condition.holds()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not within " + WAIT + ": " + what);
            }
            Thread.sleep(20);
        }
    }

    private static void codecs(String codec) throws Exception {
        String name = topic("codec-" + codec, 1);
        var records = numbered(name, 0, 1_000, 1);
        List<Long> offsets;
        try (var producer = producer(Map.of("compression.type", codec, "linger.ms", 5))) {
            offsets = send(producer, records);
        }

        var read = read(name, 1_000);

        for (int index = 0; index < 1_000; index++) {
            var record = read.get(index);
            equal(offsets.get(index), (long) index, "reported offset");
            equal(record.offset(), (long) index, "offset");
            equal(record.key(), records.get(index).key(), "key");
            equal(record.value(), records.get(index).value(), "value");
        }
    }

    private static void acks() throws Exception {
        for (String acks : List.of("0", "1")) {
            String name = topic("acks-" + acks, 1);
            var settings = Map.of("acks", acks, "enable.idempotence", "false",
                    "max.in.flight.requests.per.connection", "1");
            try (var producer = producer(settings)) {
                send(producer, numbered(name, 0, 100, 1));
            }
            var read = read(name, 100);
            for (int index = 0; index < 100; index++) {
                equal(read.get(index).key(), "key-" + index, "acks=" + acks);
            }
        }
    }

    private static void wholeRecords() throws Exception {
        String name = topic("whole-records", 1);
        var headers = List.of(new RecordHeader("a", new byte[] {0, -1}),
                new RecordHeader("a", null), new RecordHeader("", new byte[0]));
        var first = new ProducerRecord<>(
                name, 0, 1_600_000_000_123L, "", "", new ArrayList<>(headers));
        var second = new ProducerRecord<String, String>(name, 0, null, null);
        try (var producer = producer(Map.of())) {
            send(producer, List.of(first, second));
        }

        var read = read(name, 2);

        equal(read.get(0).timestamp(), 1_600_000_000_123L, "time");
        equal(read.get(0).key() + read.get(0).value(), "", "empty");
        equal(List.of(read.get(0).headers().toArray()), headers, "headers");
        equal(read.get(1).key(), null, "key");
        equal(read.get(1).value(), null, "value");
    }

    private static void keyed() throws Exception {
        String name = topic("keyed", 4);
        Map<String, Integer> homes = new HashMap<>();
        try (var producer = producer(Map.of())) {
            for (int index = 0; index < 100; index++) {
                String key = "key-" + index % 20;
                var sent = producer.send(new ProducerRecord<>(name, key, "v"));
                int partition = sent.get(WAIT.toSeconds(), TimeUnit.SECONDS).partition();
                equal(homes.getOrDefault(key, partition), partition, key);
                homes.put(key, partition);
            }
        }
        equal(new HashSet<>(homes.values()).size(), 4, "partitions in use");
    }

    private static void tooLarge() throws Exception {
        String name = topic("too-large", 1);
        try (var producer = producer(Map.of("max.request.size", 3_000_000))) {
            var sent = producer.send(new ProducerRecord<>(name, "z".repeat(2_000_000)));
            try {
                sent.get(WAIT.toSeconds(), TimeUnit.SECONDS);
                throw new AssertionError("2 MB were accepted");
            } catch (ExecutionException error) {
                equal(error.getCause().getClass(), RecordTooLargeException.class, "refusal");
            }
            equal(send(producer, numbered(name, 0, 1, 1)), List.of(0L), "the next record");
        }
    }

    private static void byTime() throws Exception {
        String name = topic("by-time", 1);
        long base = System.currentTimeMillis() - 1_000_000;
        List<ProducerRecord<String, String>> records = new ArrayList<>();
        for (int index = 0; index < 20; index++) {
            records.add(new ProducerRecord<>(name, 0, base + 1_000L * index, null, "" + index));
        }
        try (var producer = producer(Map.of("compression.type", "gzip"))) {
            send(producer, records);
        }
        TopicPartition partition = new TopicPartition(name, 0);
        try (var consumer = consumer(unique("by-time"), Map.of())) {
            var found = consumer.offsetsForTimes(Map.of(partition, base + 4_500));
            equal(found.get(partition).offset(), 5L, "offset");
            equal(found.get(partition).timestamp(), base + 5_000, "time");
            var none = consumer.offsetsForTimes(Map.of(partition, base + 99_000));
            equal(none.get(partition), null, "after the end");
            equal(consumer.beginningOffsets(List.of(partition)).get(partition), 0L, "beginning");
            equal(consumer.endOffsets(List.of(partition)).get(partition), 20L, "end");
            consumer.assign(List.of(partition));
            consumer.seek(partition, 5);
            equal(receive(consumer, 15).get(0).value(), "5", "first record");
        }
        var latest = admin.listOffsets(Map.of(partition, OffsetSpec.latest()));
        equal(get(latest.partitionResult(partition)).offset(), 20L, "the admin client's end");
        var greatest = admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp()));
        equal(get(greatest.partitionResult(partition)).offset(), 19L, "the greatest time");
    }

    private static void resumes() throws Exception {
        String name = topic("resumes", 1);
        String group = unique("resumes");
        TopicPartition partition = new TopicPartition(name, 0);
        produce(name, 0, 10, 1);
        try (var first = consumer(group, Map.of())) {
            first.subscribe(List.of(name));
            receive(first, 10);
            first.commitSync(Map.of(partition, new OffsetAndMetadata(7, "seven read")));
        }
        try (var second = consumer(group, Map.of())) {
            var committed = second.committed(Set.of(partition)).get(partition);
            equal(committed.offset(), 7L, "committed");
            equal(committed.metadata(), "seven read", "metadata");
            second.subscribe(List.of(name));
            equal(receive(second, 3).get(0).offset(), 7L, "resumed at");
        }
    }

    /** A member that polls in a thread of its own and notes what it owns and reads. */
    private static final class Member implements ConsumerRebalanceListener {
        private final KafkaConsumer<String, String> consumer;
        private final Set<Integer> owned = new HashSet<>();
        private final List<String> read;
        private final Future<?> running;
        private volatile boolean stopping;
        private int rebalances;

        Member(String group, String topic, List<String> read, Map<String, ?> further) {
            this.read = read;
            consumer = consumer(group, further);
            running = THREADS.submit(() -> poll(topic));
        }

        private void poll(String topic) {
            try (consumer) {
                consumer.subscribe(List.of(topic), this);
                while (!stopping) {
                    for (var record : consumer.poll(Duration.ofMillis(100))) {
                        synchronized (read) {
                            read.add(record.key());
                        }
                    }
                    consumer.commitAsync();
                }
                consumer.commitSync();
            }
        }

        @Override
        public synchronized void onPartitionsAssigned(Collection<TopicPartition> given) {
            given.forEach(partition -> owned.add(partition.partition()));
            rebalances++;
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> taken) {
            consumer.commitSync();
            synchronized (this) {
                taken.forEach(partition -> owned.remove(partition.partition()));
            }
        }

        synchronized Set<Integer> owned() {
            return Set.copyOf(owned);
        }

        synchronized int rebalances() {
            return rebalances;
        }

        void stop() throws Exception {
            stopping = true;
            running.get(WAIT.toSeconds(), TimeUnit.SECONDS);
        }
    }

    private static boolean share(List<Member> members, int partitions) {
        Set<Integer> distinct = new HashSet<>();
        int total = 0;
        for (Member member : members) {
            Set<Integer> owned = member.owned();
            if (owned.isEmpty()) {
                return false;
            }
            distinct.addAll(owned);
            total += owned.size();
        }
        return total == partitions && distinct.size() == partitions;
    }

    private static void shares(String assignor) throws Exception {
        String name = topic("shares", 6);
        String group = unique("shares");
        var settings = Map.of("partition.assignment.strategy",
                "org.apache.kafka.clients.consumer." + assignor);
        List<String> read = new ArrayList<>();
        List<Member> members = new ArrayList<>();

        for (int count = 1; count <= 3; count++) {
            members.add(new Member(group, name, read, settings));
            until(count + " members share", () -> share(members, 6));
            produce(name, 60 * (count - 1), 60, 6);
            everyKey(read, 60 * count);
        }
        members.remove(0).stop();
        until("two members are left", () -> share(members, 6));
        produce(name, 180, 60, 6);
        everyKey(read, 240);
        for (Member member : members) {
            member.stop();
        }
    }

    /** Waits until each of the keys was read, and fails if one was read twice. */
    private static void everyKey(List<String> read, int count) throws Exception {
        until(count + " records are read", () -> {
            synchronized (read) {
                return new HashSet<>(read).size() >= count;
            }
        });
        synchronized (read) {
            equal(read.size(), count, "deliveries of " + count + " records");
        }
    }

    private static void staticMember() throws Exception {
        String name = topic("static", 4);
        String group = unique("static");
        List<String> read = new ArrayList<>();
        Member stays = new Member(group, name, read, Map.of("group.instance.id", "a"));
        Member leaves = new Member(group, name, read, Map.of("group.instance.id", "b"));
        until("two members share", () -> share(List.of(stays, leaves), 4));
        Set<Integer> owned = leaves.owned();
        int before = stays.rebalances();

        leaves.stop();
        Member back = new Member(group, name, read, Map.of("group.instance.id", "b"));
        until("the member is back", () -> back.owned().equals(owned));

        equal(stays.rebalances(), before, "rebalances of the other member");
        produce(name, 0, 40, 4);
        everyKey(read, 40);
        stays.stop();
        back.stop();
    }

    private static void groups() throws Exception {
        String name = topic("groups", 2);
        String group = unique("groups");
        produce(name, 0, 2, 2);
        Member member = new Member(group, name, new ArrayList<>(), Map.of("client.id", "the-one"));
        until("the member owns both", () -> member.owned().size() == 2);

        var described = get(admin.describeClassicGroups(List.of(group)).all()).get(group);
        equal(described.state().toString(), "Stable", "state");
        equal(described.members().size(), 1, "members");
        equal(described.members().iterator().next().clientId(), "the-one", "client id");
        var listed = get(admin.listGroups().all());
        equal(listed.stream().anyMatch(one -> one.groupId().equals(group)), true, "listed");
        refused(admin.deleteConsumerGroups(List.of(group)).all(), GroupNotEmptyException.class);
        member.stop();
        var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata();
        equal(Optional.ofNullable(get(offsets).get(new TopicPartition(name, 0)))
                .map(OffsetAndMetadata::offset), Optional.of(1L), "committed");
        get(admin.deleteConsumerGroups(List.of(group)).all());
        refused(admin.deleteConsumerGroups(List.of(group)).all(), GroupIdNotFoundException.class);
    }
}
