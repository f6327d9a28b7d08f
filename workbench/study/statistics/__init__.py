"""What answers of people come to: agreement, detection, preference, correlation, confusion. Numbers in, numbers out."""
