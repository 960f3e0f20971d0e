//! ARNs: a stream's identity is its name; region and account only colour it (design §1).

use super::error::ApiError;
use crate::config::KinesisConfig;

/// `arn:aws:kinesis:<region>:<account>:stream/<name>`.
pub fn of_stream(config: &KinesisConfig, name: &str) -> String {
    let partition = partition_of(&config.region);
    format!(
        "arn:{partition}:kinesis:{}:{}:stream/{name}",
        config.region, config.account_id
    )
}

/// The stream that an ARN names. Its form was checked with the request; its account and region
/// must be ours.
pub fn stream_name<'a>(config: &KinesisConfig, stream_arn: &'a str) -> Result<&'a str, ApiError> {
    let mut parts = stream_arn.splitn(6, ':').skip(3);
    let (region, account) = (parts.next(), parts.next());
    let name = parts
        .next()
        .and_then(|resource| resource.strip_prefix("stream/"));
    let name = name
        .filter(|name| (super::shape::NAME.accepts)(name))
        .ok_or_else(|| {
            ApiError::invalid_argument(format!("StreamARN {stream_arn} does not name a stream."))
        })?;
    if region != Some(&config.region) || account != Some(&config.account_id) {
        return Err(ApiError::invalid_argument(format!(
            "StreamARN {stream_arn} is not of account {} in region {}.",
            config.account_id, config.region
        )));
    }
    Ok(name)
}

fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_streams_arn_names_it() {
        let config = KinesisConfig::default();
        let arn = of_stream(&config, "orders");
        assert_eq!(arn, "arn:aws:kinesis:us-east-1:000000000000:stream/orders");
        assert_eq!(stream_name(&config, &arn), Ok("orders"));
        for other in [
            "arn:aws:kinesis:us-east-1:000000000000:stream/a/consumer/b:1",
            "arn:aws:kinesis:eu-west-1:000000000000:stream/orders",
            "arn:aws:kinesis:us-east-1:000000000001:stream/orders",
        ] {
            assert!(stream_name(&config, other).is_err(), "{other}");
        }
    }
}
