"""keyvault: an encrypted local vault for API keys."""
