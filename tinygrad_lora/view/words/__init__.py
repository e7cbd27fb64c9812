"""What all pictures and pages share: sentences about arrays, grammar, HTML and SVG markup, highlighted code."""
