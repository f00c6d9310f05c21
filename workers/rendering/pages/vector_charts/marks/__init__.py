"""The marks that a chart is drawn of: bars, lines, areas, markers, slices."""
