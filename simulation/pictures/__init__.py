"""Pictures of runs and studies: plotly figures, each made by one function from tables."""
