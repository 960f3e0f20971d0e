//! DescribeCluster (60): the cluster's name, its controller and its brokers.
//!
//! v1 endpoint type, v2 fenced brokers, of which there are none.

use crate::kafka::cx::Cx;
use crate::kafka::error::{Code, NONE};
use crate::kafka::reply::Reply;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;

/// Endpoints of brokers, not of controllers.
const BROKERS: i8 = 1;
/// Every operation on the cluster: 1 shifted by each operation's code.
const OPERATIONS_ALL: i32 = 8096;
/// What is told when nobody asked.
const OPERATIONS_UNKNOWN: i32 = i32::MIN;

pub async fn handle(
    cx: &Cx,
    request: DescribeClusterRequest,
    version: i16,
) -> Reply<DescribeClusterResponse> {
    if version >= 1 && request.endpoint_type != BROKERS {
        let message = "Only endpoints of brokers can be described.";
        return Reply::Now(
            DescribeClusterResponse::default()
                .with_error_code(Code::UnsupportedEndpointType.code())
                .with_error_message(Some(StrBytes::from_static_str(message))),
        );
    }
    let operations = match request.include_cluster_authorized_operations {
        true => OPERATIONS_ALL,
        false => OPERATIONS_UNKNOWN,
    };
    let broker = DescribeClusterBroker::default()
        .with_broker_id(cx.broker.id)
        .with_host(cx.endpoint.host.clone())
        .with_port(i32::from(cx.endpoint.port));
    Reply::Now(
        DescribeClusterResponse::default()
            .with_error_code(NONE)
            .with_endpoint_type(BROKERS)
            .with_cluster_id(cx.broker.cluster_id.clone())
            .with_controller_id(cx.broker.id)
            .with_brokers(vec![broker])
            .with_cluster_authorized_operations(operations),
    )
}
