"""What makes, keeps and runs images: one port and its adapters."""
