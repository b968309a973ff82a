//! The service: adapters around [`ingester_core`] and the commands around the service.
