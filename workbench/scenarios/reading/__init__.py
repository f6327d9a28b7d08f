"""Reading pictures that somebody brings: folders, zip archives, arrays, and the files of torchvision's data sets."""
