"""The use cases of the classifier."""
