"""keyvault: an encrypted local vault for API keys."""

__version__ = "0.1.0"
