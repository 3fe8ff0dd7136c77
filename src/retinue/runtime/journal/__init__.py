"""The journal: what a run may ask to be written, the SQL, and the writer."""
