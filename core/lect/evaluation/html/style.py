"""The look of a report: one column on a phone, more on a desk, light or dark as the reader has it."""

_LIGHT = "--back:#fff; --text:#1a1d21; --dim:#5c6570; --line:#d9dee4; --card:#f6f8fa; --link:#1d5bbf"
_DARK = "--back:#14171a; --text:#e6e9ec; --dim:#9aa4ae; --line:#333a41; --card:#1c2024; --link:#7fb0ff"
_FONTS = (
    'system-ui,"Segoe UI",Roboto,"Noto Sans","Noto Sans NKo","Noto Sans N\'Ko",Ebrima,Kigelia,"Noto Sans Arabic",'
    '"Noto Naskh Arabic","Noto Sans Ethiopic","Noto Sans Tifinagh","Noto Sans Adlam","Noto Sans Devanagari",'
    '"Noto Sans Javanese","Noto Sans Balinese","Noto Sans Sundanese","DejaVu Sans",sans-serif'
)
"""For scripts that system fonts lack; a browser takes the first that has a letter."""
_LETTERS = f"background:var(--back); color:var(--text); font-family:{_FONTS}"
_RULES = """
* { box-sizing: border-box; --for:#3b8fd6; --against:#d87313 }
main { max-width: 66rem; margin: 0 auto; padding: 1rem }
h1 { font-size:1.6rem; line-height:1.2; margin:.5rem 0 }
h2 { font-size:1.2rem; margin:2.2rem 0 .4rem; border-top:1px solid var(--line); padding-top:1rem }
h3 { font-size:1rem; margin:1rem 0 .3rem }
p, li, dd { max-width: 46rem }
.dim, figcaption, small { color:var(--dim) }
small { font-size:.78em; display:block; line-height:1.25; white-space:nowrap }
.scroll { overflow-x:auto; margin:.6rem 0 }
table { border-collapse:collapse; font-variant-numeric:tabular-nums; font-size:.9rem }
th, td { padding:.32rem .5rem; text-align:end; vertical-align:middle; border-bottom:1px solid var(--line) }
td { white-space:nowrap } td.text { white-space:normal } td.whole { white-space:nowrap } th { font-weight:600 }
:where([dir=rtl]) td:where(:not(.text)) { direction:ltr; text-align:left }
thead th { vertical-align:bottom; line-height:1.2; min-width:3.2rem; hyphens:auto }
th:first-child, td:first-child, .text, th.text { text-align:start }
.heat td { text-align:center; border:2px solid var(--back); border-radius:6px; min-width:4.2rem }
.heat thead th { text-align:center } .heat thead th:first-child { text-align:start }
.heat small { color:inherit } .best { font-weight:700 }
.unsure { color:var(--dim); font-style:italic }
.grid { display:grid; gap:1rem 1.5rem;
  grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr)); align-items:start }
figure { margin:0 } figcaption { font-size:.88rem; margin:.2rem 0 }
.plot { width:100%; max-width:34rem; height:auto; display:block }
.plot.small { max-width:30rem }
.plot { direction:ltr } .plot text { font-family:inherit !important; unicode-bidi:plaintext }
.words { line-height:2.1; font-size:1.05rem; max-width:46rem; overflow-wrap:anywhere }
.words span { padding:.15rem .2rem; border-radius:4px; border-bottom:3px solid transparent }
.words .for { background:color-mix(in srgb, var(--for) var(--share), transparent); border-bottom-color:var(--for) }
.words .against { background:color-mix(in srgb, var(--against) var(--share), transparent);
  border-bottom:3px dashed var(--against) }
details { border:1px solid var(--line); border-radius:8px; padding:.4rem .8rem; margin:.5rem 0 }
summary { cursor:pointer; font-weight:600 }
pre { overflow-x:auto; background:var(--card); border:1px solid var(--line); border-radius:8px; padding:.6rem .8rem;
  font-size:.82rem; line-height:1.4 } pre code { font-size:inherit }
.facts th { font-weight:400; color:var(--dim); vertical-align:top; white-space:nowrap } .facts thead { display:none }
td.text { overflow-wrap:anywhere }
td code { white-space:nowrap }
.confusion td { text-align:center; min-width:2.6rem; border:1px solid var(--back) } .confusion th { font-weight:400 }
.short { background:var(--card); border:1px solid var(--line); border-radius:8px; padding:.6rem 1rem; margin:1rem 0 }
.short ul { margin:.2rem 0; padding-inline-start:1.1rem }
dt { font-weight:600; margin-top:.6rem } dd { margin:0 }
code { font-family:ui-monospace,"SFMono-Regular",Menlo,Consolas,monospace; font-size:.88em; overflow-wrap:anywhere }
nav { display:flex; flex-wrap:wrap; gap:.2rem .9rem; font-size:.9rem } a { color:var(--link) }
@media (max-width: 30rem) {
  main { padding:.8rem } .heat td { min-width:3.5rem; padding:.3rem .15rem } th, td { padding:.3rem .3rem }
  .wide { display:none } table { font-size:.82rem } thead th { min-width:0 }
  .heat thead th { font-size:.78rem; padding:.3rem .1rem } }
@media print { details { break-inside:avoid } h2 { break-after:avoid } }
"""
CSS = f"""
:root {{ {_LIGHT}; color-scheme: light dark }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
body {{ margin:0; font-size:16px; line-height:1.5; {_LETTERS} }}{_RULES}"""
SCOPED = f"""
.lect {{ {_LIGHT}; padding:.2rem .8rem; font-size:14px; line-height:1.5; {_LETTERS};
@media (prefers-color-scheme: dark) {{ {_DARK} }}{_RULES}}}
"""
"""The same inside a notebook, of which nothing else changes its look."""
