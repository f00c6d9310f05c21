"""Tables of a page: drawn ones by their rules, others by what lines up."""
