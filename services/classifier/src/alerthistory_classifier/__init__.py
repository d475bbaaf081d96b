"""The classifier: how serious an alert is, and what is done with alerts besides storing them."""
