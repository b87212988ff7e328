"""Claims about the project itself: settings that are listed, imports that point one way, files that agree."""
