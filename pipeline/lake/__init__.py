"""The files of the output and how they come about: plans, staged chunks, commits, the lease."""
