"""Who reads: interchangeable engines behind one protocol. `make_engine` picks by name and imports only what it needs."""
