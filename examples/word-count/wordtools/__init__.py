"""What the word count needs to know about words. Imported on the driver and on every executor."""
