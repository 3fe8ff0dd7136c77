"""What one step of a run is: a model request, a tool call, a question to a person."""
