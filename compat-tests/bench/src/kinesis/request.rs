//! Whole requests as bytes, made before the clock runs.

use super::chance::Chance;
use crate::job::Job;
use anyhow::Result;
use std::fmt::Write;

/// The form of a signature; no server here asks for more.
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 \
     Credential=AKIDEXAMPLE/20260101/us-east-1/kinesis/aws4_request, \
     SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
     Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";

/// Where requests go: a server and one of its streams.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: String,
    pub stream: String,
}

impl Target {
    pub fn of(job: &Job, stream: &str) -> Result<Target> {
        let address = job.kinesis()?.trim_start_matches("http://");
        Ok(Target {
            address: address.to_owned(),
            stream: stream.to_owned(),
        })
    }

    /// A request of this operation with these members after the stream's name.
    pub fn of_stream(&self, operation: &str, members: &str) -> Vec<u8> {
        let comma = if members.is_empty() { "" } else { "," };
        let body = format!("{{\"StreamName\":\"{}\"{comma}{members}}}", self.stream);
        self.request(operation, &body)
    }

    pub fn request(&self, operation: &str, body: &str) -> Vec<u8> {
        format!(
            "POST / HTTP/1.1\r\n\
             host: {}\r\n\
             content-type: application/x-amz-json-1.1\r\n\
             x-amz-target: Kinesis_20131202.{operation}\r\n\
             x-amz-date: 20260101T000000Z\r\n\
             authorization: {AUTHORIZATION}\r\n\
             user-agent: braid-bench\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .into_bytes()
    }

    pub fn put_records(&self, chance: &mut Chance, records: usize, bytes: usize) -> Vec<u8> {
        let mut list = String::from("\"Records\":[");
        for index in 0..records {
            if index > 0 {
                list.push(',');
            }
            let key = chance.next();
            let data = data(chance, bytes);
            let _ = write!(
                list,
                "{{\"Data\":\"{data}\",\"PartitionKey\":\"key-{key:016x}\"}}"
            );
        }
        list.push(']');
        self.of_stream("PutRecords", &list)
    }

    pub fn put_record(&self, chance: &mut Chance, bytes: usize) -> Vec<u8> {
        let key = chance.next();
        self.put_record_of(&data(chance, bytes), key)
    }

    pub fn put_record_of(&self, data: &str, key: u64) -> Vec<u8> {
        let members = format!("\"Data\":\"{data}\",\"PartitionKey\":\"key-{key:016x}\"");
        self.of_stream("PutRecord", &members)
    }

    pub fn get_records(&self, iterator: &str) -> Vec<u8> {
        let body = format!("{{\"ShardIterator\":\"{iterator}\"}}");
        self.request("GetRecords", &body)
    }
}

/// So many random bytes as base64.
fn data(chance: &mut Chance, bytes: usize) -> String {
    let bytes: Vec<u8> = (0..bytes).map(|_| chance.next().to_le_bytes()[3]).collect();
    base64_simd::STANDARD.encode_to_string(bytes)
}
