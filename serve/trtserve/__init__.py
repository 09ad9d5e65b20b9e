"""The run time of trtbuild: a model repository behind the KServe v2 protocol, HTTP and gRPC."""
