"""Streams in the format of AG-UI, made from the same events. Needs the package `ag-ui-protocol`."""
