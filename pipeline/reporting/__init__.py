"""Reports about runs: progress, summaries, logs and metrics."""
