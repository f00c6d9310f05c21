"""The Ray that a run uses: a private one, or a cluster's."""
