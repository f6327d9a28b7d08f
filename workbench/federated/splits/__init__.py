"""How the private training images are divided among participants; one file each."""
