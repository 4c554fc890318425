/*
 * What the page can do beyond being read: a cursor in plots by pointer and keyboard, one zoom for all
 * plots over guest time, tables that sort, commands to copy. Without it nothing is missing from
 * the page. It adds text as text only, and asks nobody for anything.
 */
'use strict';
(() => {
const make = (name, attributes = {}, text = '') => {
    const node = name === 'line' || name === 'rect' || name === 'text'
        ? document.createElementNS('http://www.w3.org/2000/svg', name) : document.createElement(name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    node.textContent = text;
    return node;
};
const all = (selector, from = document) => [...from.querySelectorAll(selector)];

/* --- numbers, as scale.c writes them --- */
const prefixes = { time: [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [0, 'ns']],
    count: [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [0, '']] };
const after = { rate: '/s', percent: '%' };
const quantity = (unit, value, digits = 3) => {
    if (value === null) return '–';
    if (unit === 'nines') return value ? +(100 - 100 * 10 ** -value).toPrecision(8) + ' %' : 'min';
    const [size, name] = prefixes[unit === 'ns' ? 'time' : 'count'].find(p => p[0] <= Math.abs(value) * 1.0005);
    const number = +(size ? value / size : value).toPrecision(digits);
    return (number + '\u202f' + name + (after[unit] || '')).trim();
};
/* Multiples of 1, 2 or 5 times a power of ten. */
const ticks = (low, high, wanted) => {
    const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find(m => m * power >= rough * 0.999);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-12) && found.length < 24; i++) found.push(i * step);
    return found;
};

/* --- plots --- */
const plots = all('.plot').map(figure => {
    const frame = figure.querySelector('.frame'), svg = frame.querySelector('svg'), box = svg.querySelector('.box');
    const data = JSON.parse(figure.querySelector('.points').textContent);
    const plot = { figure, frame, svg, box, data, zooms: figure.classList.contains('zooms'), at: -1,
        height: +box.getAttribute('height'), low: data.low, high: data.high };
    plot.cursor = make('line', { class: 'cursor', y1: 0, y2: plot.height, visibility: 'hidden' });
    plot.mark = make('rect', { class: 'mark', y: 0, height: plot.height, visibility: 'hidden' });
    svg.append(plot.mark, plot.cursor);
    plot.readout = make('p', { class: 'readout', 'aria-live': 'polite' });
    frame.after(plot.readout);
    frame.tabIndex = 0;
    frame.setAttribute('role', 'group');
    frame.setAttribute('aria-label', figure.querySelector('b').textContent + ': arrow keys move a cursor' +
        (plot.zooms ? ', + and - zoom, 0 shows all, shift and arrows move the view' : ''));
    return plot;
});

const place = (plot, x) => (x - plot.low) / (plot.high - plot.low);
const middle = (plot, i) => plot.data.x[i] + plot.data.step / 2;

const show = (plot, i) => {
    const { data } = plot;
    plot.at = i;
    const hidden = i < 0 || i >= data.x.length || place(plot, middle(plot, i)) < 0 || place(plot, middle(plot, i)) > 1;
    plot.cursor.setAttribute('visibility', hidden ? 'hidden' : 'visible');
    plot.readout.textContent = '';
    if (hidden) return;
    const at = 100 * place(plot, middle(plot, i)) + '%';
    plot.cursor.setAttribute('x1', at);
    plot.cursor.setAttribute('x2', at);
    plot.readout.append(make('b', {}, quantity(data.xunit, data.x[i], 6)));
    for (const s of data.series)
        if (s.y[i]) plot.readout.append(`  ·  ${s.name} ${quantity(data.yunit, s.y[i])}`);
};

const value_at = (plot, event) => {
    const edge = plot.svg.getBoundingClientRect();
    return plot.low + Math.min(1, Math.max(0, (event.clientX - edge.left) / edge.width)) * (plot.high - plot.low);
};
const nearest = (plot, value) => {
    const { x, step } = plot.data;
    if (step) return x.findLastIndex(start => start <= value);
    return x.reduce((best, v, i) => Math.abs(v - value) < Math.abs(x[best] - value) ? i : best, 0);
};

/* --- one zoom for all plots over guest time --- */
const timed = plots.filter(plot => plot.zooms);
/* The most that the view shows, rounded up: stacks grow into the room that they have. */
const top_of = plot => {
    const { x, step, series, top, stack } = plot.data;
    if (!stack || top === 100) return top;
    let most = 0;
    x.forEach((start, i) => {
        if (start + step > plot.low && start < plot.high)
            most = Math.max(most, series.reduce((sum, s) => sum + (s.y[i] || 0), 0));
    });
    return most ? Math.min(top, most * 1.05) : top;
};
const draw_y = (plot, high) => {
    const axis = plot.svg.querySelector('.axis');
    if (!plot.data.stack) return;
    axis.textContent = '';
    for (const value of ticks(0, high, 5)) {
        const y = plot.height * (1 - value / high);
        axis.append(make('line', { x1: 0, x2: '100%', y1: y, y2: y }),
            make('text', { class: 'y', x: -8, y }, quantity(plot.data.yunit, value)));
    }
};
const draw_ticks = plot => {
    const axis = plot.svg.querySelector('.across');
    axis.textContent = '';
    const at = ticks(plot.low, plot.high, plot.svg.clientWidth < 600 ? 4 : 8);
    const digits = Math.max(3, Math.ceil(Math.log10(Math.max(plot.high, 1) / ((at[1] - at[0]) || 1))) + 1);
    for (const value of at) {
        const x = 100 * place(plot, value), lean = x < 2 ? ' start' : x > 98 ? ' end' : '';
        axis.append(make('line', { x1: x + '%', x2: x + '%', y1: 0, y2: plot.height }),
            make('text', { class: 'x' + lean, x: x + '%', y: plot.height + 16 }, quantity('ns', value, digits)));
    }
};
const zoom = (low, high) => {
    for (const plot of timed) {
        const { data } = plot, least = (data.high - data.low) / 1000;
        const width = Math.min(Math.max(high - low, least), data.high - data.low);
        plot.low = Math.min(Math.max(low, data.low), data.high - width);
        plot.high = plot.low + width;
        const scale = 1000 / (data.high - data.low);
        const top = top_of(plot), share = 1000 * top / data.top;
        plot.box.setAttribute('viewBox', `${(plot.low - data.low) * scale} ${1000 - share} ${width * scale} ${share}`);
        draw_y(plot, top);
        draw_ticks(plot);
        show(plot, plot.at);
    }
    if (timed.length) say_range(timed[0]);
};
const by = (factor, around) => {
    const { low, high } = timed[0], at = around ?? (low + high) / 2;
    zoom(at - (at - low) * factor, at + (high - at) * factor);
};
const pan = part => {
    const { low, high } = timed[0];
    zoom(low + (high - low) * part, high + (high - low) * part);
};
const whole = () => zoom(-Infinity, Infinity);

/* The view's range, and the command that looks at it. */
const range = make('output');
const say_range = ({ low, high, data }) => {
    const part = high - low < (data.high - data.low) * 0.9999;
    range.textContent = part ? `${quantity('ns', low, 6)} to ${quantity('ns', high, 6)}` : '';
    if (part) range.append(': ', ...command_line(`hindvisor analyze exits ${document.body.dataset.trace} --from ${Math.floor(low)}ns --to ${Math.ceil(high)}ns`));
};

/* --- commands to copy --- */
const copy_button = command => {
    const button = make('button', { type: 'button', class: 'copy', 'aria-label': 'Copy the command ' + command }, 'copy');
    button.onclick = async () => {
        try { await navigator.clipboard.writeText(command); } catch {
            const area = document.body.appendChild(make('textarea', {}, command));
            area.select();
            document.execCommand('copy');
            area.remove();
        }
        button.textContent = 'copied';
        setTimeout(() => { button.textContent = 'copy'; }, 1500);
    };
    return button;
};
const command_line = command => [make('code', {}, command), copy_button(command)];
for (const code of all('.source code')) code.after(copy_button(code.textContent));

if (timed.length) {
    const bar = make('div', { class: 'zoom', role: 'group', 'aria-label': 'Zoom of all plots over guest time' });
    for (const [name, act] of [['Zoom in', () => by(0.5)], ['Zoom out', () => by(2)],
        ['Earlier', () => pan(-0.5)], ['Later', () => pan(0.5)], ['All', whole]]) {
        const button = bar.appendChild(make('button', { type: 'button' }, name));
        button.onclick = act;
    }
    bar.append(range);
    timed[0].figure.before(bar);
}

/* --- pointer and keyboard --- */
for (const plot of plots) {
    let from = null;
    plot.frame.onpointermove = event => {
        const value = value_at(plot, event);
        show(plot, nearest(plot, value));
        if (from === null) return;
        const [a, b] = [100 * place(plot, Math.min(from, value)), 100 * place(plot, Math.max(from, value))];
        plot.mark.setAttribute('x', a + '%');
        plot.mark.setAttribute('width', b - a + '%');
        plot.mark.setAttribute('visibility', 'visible');
    };
    plot.frame.onpointerdown = event => {
        if (!plot.zooms || event.button || event.pointerType === 'touch') return;
        from = value_at(plot, event);
        plot.frame.setPointerCapture(event.pointerId);
    };
    plot.frame.onpointerup = event => {
        const to = value_at(plot, event);
        if (from !== null && Math.abs(to - from) > (plot.high - plot.low) / 200) zoom(Math.min(from, to), Math.max(from, to));
        from = null;
        plot.mark.setAttribute('visibility', 'hidden');
    };
    plot.frame.onpointerleave = () => { if (from === null) show(plot, -1); };
    if (plot.zooms) plot.frame.ondblclick = whole;
    plot.frame.onkeydown = event => {
        const last = plot.data.x.length - 1, key = event.key;
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[key];
        const centre = plot.at >= 0 ? middle(plot, plot.at) : undefined;
        if (step && event.shiftKey && plot.zooms) pan(step / 4);
        else if (step) show(plot, Math.min(last, Math.max(0, (plot.at < 0 ? nearest(plot, plot.low) : plot.at) + step)));
        else if (key === 'Home' || key === 'End') show(plot, nearest(plot, key === 'Home' ? plot.low : plot.high));
        else if (key === 'Escape') show(plot, -1);
        else if (plot.zooms && '+='.includes(key)) by(0.5, centre);
        else if (plot.zooms && '-_'.includes(key)) by(2, centre);
        else if (plot.zooms && key === '0') whole();
        else return;
        event.preventDefault();
    };
}

/* --- tables sort by their numbers --- */
for (const table of all('.scroll table')) all('thead th', table).forEach((head, column) => {
    const button = make('button', { type: 'button' });
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
        const descending = head.getAttribute('aria-sort') !== 'descending';
        const key = row => { const cell = row.cells[column]; return cell.dataset.v === undefined ? cell.textContent : +cell.dataset.v; };
        const order = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === 'number' ? 1 : -1;
        const rows = all('tbody tr', table).sort((a, b) => descending ? order(key(b), key(a)) : order(key(a), key(b)));
        all('thead th', table).forEach(other => other.removeAttribute('aria-sort'));
        head.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
        table.tBodies[0].append(...rows);
    };
});
})();
