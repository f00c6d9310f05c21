"""Makes typed points of a chart's answer, and checks them against the page."""
