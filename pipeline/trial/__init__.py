"""One page, asked of an engine outside any run, to see what is sent and what comes back."""
