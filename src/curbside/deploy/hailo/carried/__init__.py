"""Programs that a job folder carries to the compiler's machine; they need no curbside."""
