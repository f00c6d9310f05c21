"""The stages as Ray calls them: plain rows come in and go out, with typed objects and calls of workers in between."""
