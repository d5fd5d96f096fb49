"""The context laboratory of notebook 17: one crash, fired with two settings and compared."""
