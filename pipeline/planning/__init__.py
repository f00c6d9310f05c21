"""The choice of what a run reads: from a listing and the ledger to shards, chunks and recipes."""
