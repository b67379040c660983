"""The public HTTP port: carrier webhooks and media sockets."""
