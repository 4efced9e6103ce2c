import * as system from 'node:fs/promises';
import { join } from 'node:path';
import { memoryRevisions, type RevisionBook } from '../../src/control/revisions.js';
import { DirectDesk } from '../../src/control/zone-desk.js';
import { ZoneEditor } from '../../src/control/zone-editor.js';
import { ZoneWriter, type ZoneWriterModules } from '../../src/control/zone-writer.js';
import { FileSet, type FileSystem } from '../../src/store/file-set.js';
import { type ControlRig, controlRig } from './control-rig.js';
import { temporaryFolder } from './folder.js';

/** A control plane with a zone folder on disk, and all that changes its files. */
export interface ZoneRig extends ControlRig {
  readonly folder: string;
  readonly files: FileSet;
  readonly book: RevisionBook;
  readonly writer: ZoneWriter;
  readonly editor: ZoneEditor;
  /** Overrides of the file system, by the name of the call: what they throw is what the disk says. */
  readonly disk: Partial<FileSystem>;
  /** Loads what is in the folder. */
  reload(): Promise<void>;
  text(file: string): Promise<string>;
}

export async function zoneRig(
  texts: Readonly<Record<string, string>>,
  modules: Partial<ZoneWriterModules> = {},
  rig: ControlRig = controlRig(),
): Promise<ZoneRig> {
  const folder = temporaryFolder();
  const zones = join(folder, 'zones');
  await system.mkdir(zones);
  for (const [file, text] of Object.entries(texts)) await system.writeFile(join(zones, file), text);
  const disk: Partial<FileSystem> = {};
  // Each call looks at the overrides anew.
  const fs = new Proxy(system, {
    get: (target, name) => Reflect.get(disk, name) ?? Reflect.get(target, name),
  }) as FileSystem;
  const intent = join(folder, 'state', 'zone-write.json');
  const files = new FileSet({ folder: zones, intent, bytesMax: 1024 * 1024 }, fs);
  const book = memoryRevisions({ now: Date.now });
  const desk = new DirectDesk();
  const reload = () => rig.control.loadZones({ paths: [zones] });
  const writer = new ZoneWriter(
    { folder: zones },
    // Nobody records what is in the folder at the start.
    {
      files,
      desk,
      revisions: { append: (draft) => book.append(draft) },
      served: () => rig.control.zoneList,
      load: reload,
      ...modules,
    },
  );
  await reload();
  return {
    ...rig,
    folder: zones,
    files,
    book,
    writer,
    editor: new ZoneEditor(writer, desk),
    disk,
    reload,
    text: (file) => system.readFile(join(zones, file), 'utf8'),
  };
}

/** What a call of the file system throws. */
export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: as the test says`), { code });
}
