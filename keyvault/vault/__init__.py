"""What a vault is. Handed a store and a way to unlock; prompts for nothing and opens no socket."""
