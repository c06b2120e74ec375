"""Report pages: one self-contained HTML file each, with plots as inline SVG, no script, no rows."""
