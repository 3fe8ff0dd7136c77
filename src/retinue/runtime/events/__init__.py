"""What watchers of streamed executions see: recorded with the journal, followed from any process."""
