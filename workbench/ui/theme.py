"""Colours and sizes of the Gradio parts: ink on paper, one accent, contrast of at least 4.5:1."""

from __future__ import annotations

import gradio as gr

FONT = ["system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Liberation Sans", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SF Mono", "Menlo", "Consolas", "DejaVu Sans Mono", "monospace"]


def in_rem(size: gr.themes.Size) -> gr.themes.Size:
    """Return sizes given in pixels as what they are of type of 16 pixels, so that they grow with the page's type."""
    names = ("xxs", "xs", "sm", "md", "lg", "xl", "xxl")
    return gr.themes.Size(
        name=size.name, **{n: f"{float(getattr(size, n).removesuffix('px')) / 16:g}rem" for n in names}
    )


def build() -> gr.themes.Base:
    """Return the theme. Fonts are the reader's own, so that nothing is fetched."""
    theme = gr.themes.Base(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        text_size=in_rem(gr.themes.sizes.text_lg),
        spacing_size=in_rem(gr.themes.sizes.spacing_md),
        radius_size="sm",
        font=FONT,
        font_mono=MONO,
    )
    return theme.set(
        body_background_fill="#f6f7f8",
        body_background_fill_dark="#101418",
        body_text_color="#14202b",
        body_text_color_dark="#e8edf2",
        body_text_color_subdued="#46535f",
        body_text_color_subdued_dark="#a9b6c2",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#171d23",
        background_fill_secondary="#f0f2f4",
        background_fill_secondary_dark="#1e262e",
        border_color_primary="#d5dbe1",
        border_color_primary_dark="#313c47",
        block_background_fill="#ffffff",
        block_background_fill_dark="#171d23",
        block_border_width="0px",
        block_shadow="none",
        block_shadow_dark="none",
        block_padding="0px",
        block_label_text_color="#14202b",
        block_label_text_color_dark="#e8edf2",
        block_title_text_color="#14202b",
        block_title_text_color_dark="#e8edf2",
        block_title_text_weight="600",
        block_info_text_color="#46535f",
        block_info_text_color_dark="#a9b6c2",
        input_background_fill="#ffffff",
        input_background_fill_dark="#1e262e",
        input_border_color="#8794a1",
        input_border_color_dark="#5b6976",
        input_border_width="1px",
        input_placeholder_color="#5b6976",
        input_placeholder_color_dark="#a9b6c2",
        input_padding="0.5rem 0.625rem",
        layout_gap="0.875rem",
        button_primary_background_fill="#0f6b64",
        button_primary_background_fill_hover="#0b544f",
        button_primary_background_fill_dark="#0f766e",
        button_primary_background_fill_hover_dark="#0c5f58",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#1e262e",
        button_secondary_background_fill_hover="#eef1f3",
        button_secondary_background_fill_hover_dark="#28323c",
        button_secondary_border_color="#8794a1",
        button_secondary_border_color_dark="#5b6976",
        button_border_width="1px",
        button_large_text_weight="600",
        slider_color="#0f6b64",
        slider_color_dark="#2dd4bf",
    )
