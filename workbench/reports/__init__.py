"""What leaves a run: contact sheets, films, pages."""
