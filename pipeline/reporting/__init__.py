"""Who is shown what happens."""
