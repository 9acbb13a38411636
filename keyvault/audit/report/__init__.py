"""What an audit found, as JSON, SARIF and one HTML page. None of them ever holds a value."""
