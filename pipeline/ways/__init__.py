"""The two ways of a run: Ray Data for what is large, one supervised process for small work on one machine."""
