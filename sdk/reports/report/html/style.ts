/** The style sheet of the page. Colours are those of Okabe and Ito, which most colour-blind people tell apart; none stands alone. */
export const style = `
:root{--ink:#1b2430;--quiet:#566273;--line:#d9dfe8;--ground:#fff;--soft:#f5f7fa;--link:#0b5394;--good:#006b50;--good-soft:#e3f4ee;
--bad:#a63c00;--bad-soft:#fdeee4;--open:#7a5200;--open-soft:#fdf4dc;--all:#0b5394;--all-soft:#dcebf8;--some:#083d6d;--on-all:#fff;
--frame:#8a94a6;--field:#7d8899;--box:#eef3fa;--edge:#64748b;--critical:#8f2d00;--low-soft:#e8ecf2;--low:#3b4654;--focus:#b45f00;color-scheme:light}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--quiet:#a3aebd;--line:#364152;--ground:#12171e;--soft:#1b232d;--link:#8ab9ec;
--good:#66d1b0;--good-soft:#12362c;--bad:#f5a06b;--bad-soft:#43220f;--open:#f0c258;--open-soft:#3a2c0a;--all:#2f74b8;--all-soft:#17324d;
--some:#c3dcf5;--on-all:#fff;--frame:#76839a;--field:#8793a5;--box:#1d2a3a;--edge:#93a1b5;--critical:#b23a00;--low-soft:#2b3543;--low:#c5cedb;--focus:#ffb547;color-scheme:dark}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:3.5rem;-webkit-text-size-adjust:100%}
body{margin:0;color:var(--ink);background:var(--ground);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header,nav>ul{max-width:76rem;margin:0 auto;padding:0 1.5rem}
header{padding-top:2.5rem;padding-bottom:1rem}
h1{font-size:2rem;line-height:1.2;margin:0 0 .3rem;letter-spacing:-.01em}
h2{font-size:1.4rem;margin:0 0 .8rem;padding-top:2.2rem;letter-spacing:-.005em}
h3{font-size:1.05rem;margin:1.6rem 0 .5rem}
p{margin:.5rem 0;max-width:60rem}
a{color:var(--link)}
a:focus-visible,button:focus-visible,summary:focus-visible,input:focus-visible,[tabindex]:focus-visible{outline:3px solid var(--focus);outline-offset:2px;border-radius:3px}
code{font:.875em ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.subject{font-size:1.1rem;overflow-wrap:anywhere}
.quiet{color:var(--quiet);font-size:.9rem}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.skip{position:absolute;left:-99rem;background:var(--ground);padding:.5rem 1rem;z-index:3}
.skip:focus{left:0}
.verdict{display:inline-block;margin-top:1rem;padding:.6rem 1rem;border-radius:6px;border-left:5px solid}
.verdict.fails{background:var(--bad-soft);border-color:var(--bad)}
.verdict.undecided{background:var(--open-soft);border-color:var(--open)}
.verdict.holds{background:var(--good-soft);border-color:var(--good)}
.notice{background:var(--open-soft);padding:.6rem 1rem;border-radius:6px}
.empty{color:var(--quiet);background:var(--soft);padding:.7rem 1rem;border-radius:6px}
nav{position:sticky;top:0;z-index:2;background:var(--ground);border-bottom:1px solid var(--line);overflow-x:auto}
nav>ul{display:flex;gap:1.3rem;list-style:none;white-space:nowrap}
nav a{display:block;padding:.75rem 0;text-decoration:none;font-size:.95rem;color:var(--ink)}
nav a:hover{color:var(--link);text-decoration:underline}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(11.4rem,1fr));gap:.8rem;list-style:none;margin:0 0 1.6rem;padding:0}
.tiles li{border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;display:flex;flex-direction:column}
.figure{font-size:1.7rem;font-weight:650;line-height:1.25;font-variant-numeric:tabular-nums}
.what{font-size:.95rem;line-height:1.35}
.scroll,.picture{position:relative;overflow-x:auto;max-width:100%;margin:.4rem 0}
.scroll{background:linear-gradient(90deg,var(--ground) 40%,transparent) 0/2.5rem 100% no-repeat local,linear-gradient(-90deg,var(--ground) 40%,transparent) 100%/2.5rem 100% no-repeat local,
linear-gradient(90deg,var(--line),transparent) 0/.8rem 100% no-repeat scroll,linear-gradient(-90deg,var(--line),transparent) 100%/.8rem 100% no-repeat scroll}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.5rem .7rem;border-bottom:1px solid var(--line);overflow-wrap:break-word}
td,tbody th{max-width:26rem}
thead th{font-size:.82rem;color:var(--quiet);font-weight:600;border-bottom:2px solid var(--line);white-space:nowrap}
tbody th{font-weight:500}
tbody tr:hover{background:var(--soft)}
.number{font-variant-numeric:tabular-nums}
.ports{min-width:6.4rem}
.reason{min-width:9rem}
.day,.age{white-space:nowrap}
.traffic{font-variant-numeric:tabular-nums}
.badge{display:inline-block;white-space:nowrap;font-size:.85rem;font-weight:600;padding:.05rem .45rem;border-radius:4px;background:var(--soft);color:var(--quiet)}
.badge.holds{background:var(--good-soft);color:var(--good)}
.badge.fails{background:var(--bad-soft);color:var(--bad)}
.badge.undecided{background:var(--open-soft);color:var(--open)}
.severity{display:inline-block;min-width:4.6rem;text-align:center;font-size:.75rem;font-weight:700;text-transform:uppercase;letter-spacing:.04em;padding:.1rem .4rem;border-radius:4px;background:var(--low-soft);color:var(--low)}
.severity.critical{background:var(--critical);color:#fff}
.severity.high{background:var(--bad-soft);color:var(--bad);box-shadow:inset 0 0 0 1px var(--bad)}
.severity.medium{background:var(--open-soft);color:var(--open)}
.tag{font-size:.78rem;border:1px solid var(--line);border-radius:4px;padding:0 .35rem;white-space:nowrap}
details{border:1px solid var(--line);border-radius:8px;margin:.6rem 0;padding:0 1rem}
details[open]{padding-bottom:.6rem}
summary{cursor:pointer;padding:.6rem 0}
summary strong{overflow-wrap:anywhere}
details ul{margin:.3rem 0;padding-left:1.3rem}
details li{margin:.3rem 0;overflow-wrap:anywhere}
p.because{margin:.3rem 0}
.because{color:var(--quiet);font-size:.92rem}
.place{font:.82rem ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;color:var(--quiet);white-space:nowrap}
.controls td{width:23%}
.controls .id{font-weight:650;white-space:nowrap}
.framework th{background:var(--soft);font-weight:650;padding-top:.6rem}
.age{font-size:.82rem;color:var(--quiet)}
.age.stale{color:var(--bad);font-weight:600}
.hash{overflow-wrap:anywhere;font-size:.78rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem;margin:.5rem 0}
dt{color:var(--quiet)}
dd{margin:0}
.search{display:flex;flex-wrap:wrap;gap:.3rem .8rem;align-items:center}
input[type=search]{flex:1 1 16rem;max-width:32rem;padding:.45rem .7rem;font:inherit;border:1px solid var(--field);border-radius:6px;background:var(--ground);color:var(--ink)}
output{color:var(--quiet);font-size:.9rem}
.picture{border:1px solid var(--line);border-radius:8px;padding:.8rem;max-height:42rem;overflow:auto;background:var(--ground)}
.picture svg{display:block;margin:0 auto;font-family:Arial,"Liberation Sans","Helvetica Neue",sans-serif}
.picture svg.whole{max-width:max(100%,64rem);height:auto}
.picture .node path{stroke:var(--frame);fill:var(--ground)}
.picture .edge path{stroke:var(--edge)}
.picture .edge polygon{stroke:var(--edge);fill:var(--edge)}
.picture .node.namespace path{fill:var(--box)}
.picture .node.open path{fill:var(--bad-soft);stroke:var(--bad);stroke-width:2.5}
.picture .node.outside ellipse{fill:var(--ground);stroke:var(--frame);stroke-dasharray:4 3}
.picture text{fill:var(--ink)}
.picture .edge text{fill:var(--quiet);paint-order:stroke;stroke:var(--ground);stroke-width:3px}
.picture .node a:hover path{fill:var(--all-soft)}
.picture a:focus-visible{outline:none}
.picture .node a:focus-visible path{stroke:var(--focus);stroke-width:4}
.matrix{width:auto}
.matrix th,.matrix td{padding:.15rem;border:1px solid var(--line);text-align:center}
.matrix thead th{vertical-align:bottom;height:9.5rem;min-width:2.6rem;white-space:nowrap}
.matrix thead th span{writing-mode:vertical-rl;transform:rotate(180deg);max-height:9rem;overflow:hidden;text-overflow:ellipsis;display:inline-block}
.matrix tbody th{text-align:right;padding-right:.6rem;max-width:16rem;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;position:sticky;left:0;background:var(--ground)}
.matrix button{display:flex;flex-direction:column;align-items:center;width:100%;min-width:2.3rem;padding:.1rem 0;border:0;background:none;font:inherit;line-height:1.1;color:inherit;cursor:pointer}
.matrix small{font-size:.68rem;font-variant-numeric:tabular-nums}
.cell{color:var(--quiet)}
.cell.all{background:var(--all);color:var(--on-all)}
.cell.some{background:var(--all-soft);color:var(--some)}
.cell.maybe{background:var(--open-soft);color:var(--open)}
.key .cell{display:inline-block;min-width:1.5rem;text-align:center;border-radius:3px;margin-left:.4rem}
footer{max-width:76rem;margin:3rem auto 2rem;padding:1rem 1.5rem 0;border-top:1px solid var(--line);color:var(--quiet);font-size:.9rem}
main>section{content-visibility:auto;contain-intrinsic-block-size:auto 40rem;margin-inline:-.5rem;padding-inline:.5rem}
[hidden]{display:none!important}
@media(max-width:40rem){body{font-size:15px}main,header,nav>ul{padding-left:1rem;padding-right:1rem}h1{font-size:1.5rem}.tiles{grid-template-columns:1fr 1fr}.figure{font-size:1.35rem}header{padding-top:1.5rem}.place{white-space:normal;overflow-wrap:anywhere}.controls{min-width:44rem}#flow-table{min-width:56rem}}
@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
@media print{main>section{content-visibility:visible;margin:0;padding:0}@page{margin:14mm}html{font-size:12.5px}body{font-size:1rem}nav,.screen,.skip,footer .screen{display:none!important}main,header{max-width:none;padding:0}
.scroll,.picture{overflow:visible;max-height:none}.picture svg{max-width:100%;height:auto}details{border:0;padding:0}.scroll{background:none}
details::details-content{content-visibility:visible;block-size:auto}summary{list-style:none}a{color:inherit;text-decoration:none}
tr,.tiles li,li[data-row],.picture,.matrix{break-inside:avoid}.framework,#graph>p,.search,.because,summary+.picture{break-after:avoid}thead{display:table-header-group}h2,h3,summary{break-after:avoid}.badge,.severity,.verdict,.cell{print-color-adjust:exact;-webkit-print-color-adjust:exact}
.matrix{font-size:7pt}.matrix thead th{height:auto}section{break-before:auto}}
`.trim();
