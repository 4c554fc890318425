/*
 * What the page can do beyond being read: a cursor in plots by pointer and keyboard, one zoom for all
 * plots over guest time, tables that sort, commands to copy. Without it nothing is missing from
 * the page. It adds text as text only, and asks nobody for anything.
 */
'use strict';
(() => {
const make = (name, attributes = {}, text = '') => {
    const node = ['line', 'rect', 'text', 'path'].includes(name)
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
/* A plot tells of a place on its x axis (tell), goes on to the next (step), and draws what lies
 * between low and high (draw). */
const base = figure => {
    const frame = figure.querySelector('.frame'), svg = frame.querySelector('svg'), box = svg.querySelector('.box');
    const plot = { figure, frame, svg, box, zooms: figure.classList.contains('zooms'), at: null, height: +box.getAttribute('height') };
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
};

const series_plot = figure => {
    const data = JSON.parse(figure.querySelector('.points').textContent), { x, step, series } = data;
    const plot = Object.assign(base(figure), { data, low: data.low, high: data.high });
    const middle = i => x[i] + step / 2;
    const nearest = value => step ? Math.max(0, x.findLastIndex(start => start <= value))
        : x.reduce((best, v, i) => Math.abs(v - value) < Math.abs(x[best] - value) ? i : best, 0);
    plot.tell = value => {
        const i = nearest(value), words = series.filter(s => s.y[i]).map(s => `${s.name} ${quantity(data.yunit, s.y[i])}`);
        return { at: step ? value : x[i], name: quantity(data.xunit, x[i], 6), words };
    };
    plot.step = (value, by) => middle(Math.min(x.length - 1, Math.max(0, nearest(value) + by)));
    /* The most that the view shows, rounded up: stacks grow into the room that they have. */
    const top = () => {
        if (!data.stack || data.top === 100) return data.top;
        let most = 0;
        x.forEach((start, i) => {
            if (start + step > plot.low && start < plot.high)
                most = Math.max(most, series.reduce((sum, s) => sum + (s.y[i] || 0), 0));
        });
        return most ? Math.min(data.top, most * 1.05) : data.top;
    };
    plot.draw = () => {
        const scale = 1000 / (data.high - data.low), high = top(), share = data.stack ? 1000 * high / data.top : 1000;
        plot.box.setAttribute('viewBox', `${(plot.low - data.low) * scale} ${1000 - share} ${(plot.high - plot.low) * scale} ${share}`);
        if (!data.stack) return;
        const axis = plot.svg.querySelector('.axis');
        axis.textContent = '';
        for (const value of ticks(0, high, 5)) {
            const y = plot.height * (1 - value / high);
            axis.append(make('line', { x1: 0, x2: '100%', y1: y, y2: y }),
                make('text', { class: 'y', x: -8, y }, quantity(data.yunit, value)));
        }
    };
    return plot;
};

/* --- lanes of spans, which spans.h writes --- */
const digits = new Map([...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].map((c, i) => [c, i]));
const read_spans = text => {
    const spans = [];
    let i = 0, end = 0;
    const number = () => {
        for (let value = 0, scale = 1; ; scale *= 32) {
            const digit = digits.get(text[i++]) ?? 0;
            value += (digit & 31) * scale;
            if (!(digit & 32)) return value;
        }
    };
    while (i < text.length) {
        const gap = number(), length = number(), start = end + Math.floor(gap / 2);
        end = start + length;
        spans.push({ start, end, amount: gap % 2 ? number() : length });
    }
    return spans;
};
/* The first that ends after the time. */
const first_after = (spans, time) => {
    let low = 0, high = spans.length;
    while (low < high) {
        const mid = (low + high) >> 1;
        if (spans[mid].end <= time) low = mid + 1; else high = mid;
    }
    return low;
};
/* Amounts in `count` equal parts of a stretch of time. */
const columns = (spans, low, high, count) => {
    const sums = new Float64Array(count), width = (high - low) / count;
    for (let i = first_after(spans, low); i < spans.length && spans[i].start < high; i++) {
        const { start, end, amount } = spans[i], length = (end - start) / width, from = (start - low) / width, to = from + length;
        for (let c = Math.max(0, Math.floor(from)); c < count && c < to; c++)
            sums[c] += amount / length * (Math.min(to, c + 1) - Math.max(from, c));
    }
    return sums;
};
const tone = (band, share) => !(share > 0) ? 0
    : Math.min(5, Math.max(1, band.log ? 5 + Math.floor(Math.log10(share)) : Math.ceil(share * 5 - 1e-6)));

const lanes_plot = figure => {
    const data = JSON.parse(figure.querySelector('.spans').textContent);
    const plot = Object.assign(base(figure), { data, low: data.low, high: data.high, lanes: data.lanes });
    for (const lane of data.lanes) for (const band of lane.bands) band.spans = read_spans(band.spans);
    const paint = band => {
        const count = 1000, width = (plot.high - plot.low) / count, paths = ['', '', '', '', '', ''];
        const tones = Array.from(columns(band.spans, plot.low, plot.high, count), sum => tone(band, sum * band.ns / width));
        for (let first = 0, end; first < count; first = end) {
            for (end = first + 1; end < count && tones[end] === tones[first];) end++;
            paths[tones[first]] += `M${first} ${band.y}h${end - first}`;
        }
        return paths.slice(1).flatMap((d, i) => d ? [make('path', { class: `strip t${i + 1} c${band.color}`, 'stroke-width': band.height, d })] : []);
    };
    plot.draw = () => plot.box.replaceChildren(...data.lanes.flatMap(lane => lane.bands.flatMap(paint)));
    /* What goes on under the cursor, which is a pixel wide: one span in its length, or a part of the time. */
    const words_of = (band, value, half) => {
        const i = first_after(band.spans, value - half), span = band.spans[i];
        if (!span || span.start >= value + half) return [];
        const whole = span.amount === span.end - span.start && span.start <= value - half && span.end >= value + half;
        const part = columns(band.spans, value - half, value + half, 1)[0] * band.ns;
        return [`${band.name} ${whole ? quantity('ns', span.end - span.start, 4) : band.log ? quantity('ns', part) : quantity('percent', 50 * part / half, 2)}`];
    };
    plot.tell = value => {
        const half = Math.max(0.5, (plot.high - plot.low) / plot.svg.clientWidth / 2);
        const words = data.lanes.map(lane => [lane.name, lane.bands.flatMap(band => words_of(band, value, half))])
            .filter(([, said]) => said.length).map(([name, said]) => `${name}: ${said.join(', ')}`);
        return { at: value, name: quantity('ns', value, 10), words };
    };
    plot.step = (value, by) => Math.min(plot.high, Math.max(plot.low, value + by * (plot.high - plot.low) / 200));
    return plot;
};

const plots = all('.plot').map(figure => (figure.querySelector('.spans') ? lanes_plot : series_plot)(figure));
const timed = plots.filter(plot => plot.zooms);
const place = (plot, x) => (x - plot.low) / (plot.high - plot.low);

const put_cursor = (plot, at) => {
    const hidden = at === null || place(plot, at) < 0 || place(plot, at) > 1;
    plot.cursor.setAttribute('visibility', hidden ? 'hidden' : 'visible');
    if (!hidden) for (const end of ['x1', 'x2']) plot.cursor.setAttribute(end, 100 * place(plot, at) + '%');
    return !hidden;
};
/* The cursor at a value, null: nowhere; in all plots over guest time. */
const show = (plot, value) => {
    const told = value === null ? { at: null } : plot.tell(value);
    plot.at = told.at;
    plot.readout.textContent = '';
    if (put_cursor(plot, told.at))
        plot.readout.append(make('b', {}, told.name), ...told.words.map(words => '  ·  ' + words));
    for (const other of plot.zooms ? timed : []) if (other !== plot) put_cursor(other, told.at);
};

const value_at = (plot, event) => {
    const edge = plot.svg.getBoundingClientRect();
    return plot.low + Math.min(1, Math.max(0, (event.clientX - edge.left) / edge.width)) * (plot.high - plot.low);
};

/* --- one zoom for all plots over guest time --- */
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
        const { data } = plot, whole = data.high - data.low, least = Math.min(whole, Math.max(200, whole / 1e6));
        const width = Math.min(Math.max(high - low, least), whole);
        plot.low = Math.min(Math.max(low, data.low), data.high - width);
        plot.high = plot.low + width;
        plot.draw();
        draw_ticks(plot);
        put_cursor(plot, plot.at);
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

/* The view's range, and the commands that look at it. */
const range = make('output');
const say_range = ({ low, high, data }) => {
    const part = high - low < (data.high - data.low) * 0.9999, name = document.body.dataset.trace;
    range.textContent = part ? `${quantity('ns', low, 8)} to ${quantity('ns', high, 8)}, ${quantity('ns', high - low)}: ` : '';
    if (!part) return;
    const ends = `--from ${Math.floor(low)}ns --to ${Math.ceil(high)}ns`;
    range.append(...command_line(`hindvisor analyze exits ${name} ${ends}`));
    if (timed.some(plot => plot.lanes?.length > 1))
        range.append(' ', ...command_line(`hindvisor analyze scheduler ${name} --show timehist ${ends}`));
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
    bar.append(make('span', {}, 'Drag, or Ctrl and the wheel, to zoom; Shift and the wheel to move.'), range);
    timed[0].figure.before(bar);
    /* From an event to its place in time: what led there, and some of what came of it. */
    const nearby = timed.find(plot => plot.lanes) ?? timed[0];
    for (const row of all('tr[data-at]')) {
        const button = make('button', { type: 'button', class: 'link', title: 'show it in the timeline' });
        const at = +row.dataset.at, length = +row.dataset.length || 50000;
        const cell = row.querySelector('.place');
        button.onclick = () => {
            zoom(at - 1.25 * length, at + 0.5 * length);
            show(nearby, at);
            nearby.figure.scrollIntoView({ block: 'center' });
        };
        button.append(...cell.childNodes);
        cell.append(button);
    }
}

/* --- pointer, wheel and keyboard --- */
const mark = (plot, from, to) => {
    const [a, b] = [100 * place(plot, Math.min(from, to)), 100 * place(plot, Math.max(from, to))];
    plot.mark.setAttribute('x', a + '%');
    plot.mark.setAttribute('width', b - a + '%');
    plot.mark.setAttribute('visibility', 'visible');
};
const on_wheel = (plot, event) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (event.ctrlKey || event.metaKey) by(event.deltaY < 0 ? 0.8 : 1.25, value_at(plot, event));
    else if (sideways) pan(Math.sign(event.deltaX || event.deltaY) / 10);
    else return;
    event.preventDefault();
};
const on_key = (plot, event) => {
    const key = event.key;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[key];
    if (step && event.shiftKey && plot.zooms) pan(step / 4);
    else if (step) show(plot, plot.at === null ? (step > 0 ? plot.low : plot.high) : plot.step(plot.at, step));
    else if (key === 'Home' || key === 'End') show(plot, key === 'Home' ? plot.low : plot.high);
    else if (key === 'Escape') show(plot, null);
    else if (plot.zooms && '+='.includes(key)) by(0.5, plot.at ?? undefined);
    else if (plot.zooms && '-_'.includes(key)) by(2, plot.at ?? undefined);
    else if (plot.zooms && key === '0') whole();
    else return;
    event.preventDefault();
};
for (const plot of plots) {
    let from = null;
    plot.frame.onpointermove = event => {
        show(plot, value_at(plot, event));
        if (from !== null) mark(plot, from, value_at(plot, event));
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
    plot.frame.onpointerleave = () => { if (from === null) show(plot, null); };
    plot.frame.onkeydown = event => on_key(plot, event);
    if (!plot.zooms) continue;
    plot.frame.ondblclick = whole;
    plot.frame.addEventListener('wheel', event => on_wheel(plot, event), { passive: false });
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
