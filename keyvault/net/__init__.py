"""The only room that opens network sockets: one HTTP client with narrow limits."""
