"""The engines, interchangeable behind one protocol. `make_engine` picks one by name and imports only what it needs."""
