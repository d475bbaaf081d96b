"""The ingest service: takes alerts in, stores them, and takes what changed through the pipeline."""
