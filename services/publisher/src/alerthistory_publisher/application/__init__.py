"""The use cases of the publisher."""
