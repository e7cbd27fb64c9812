"""What the documentation is made of beside its Markdown: tutorials, equations, pictures, the reference."""
