/** A picture of a class. */
export interface TeachPicture {
  readonly blob: Blob;
  /** Where it can be seen. */
  readonly url: string;
  /** Its features by the chosen model; absent until they are asked for. */
  features?: Float32Array;
}

/** A class that is taught. */
export interface TeachClass {
  name: string;
  readonly pictures: TeachPicture[];
}

/** Most pictures of all classes: a browser holds them, and their features. */
export const maxPictures = 2_000;

/** The classes of the page, and what changes them. Every change is reported. */
export interface TeachClasses {
  readonly all: readonly TeachClass[];
  /** Returns the class of a name, a new one if there is none. */
  named(name: string): TeachClass;
  /** Adds pictures, as many as there is room for. @returns how many found no room */
  add(to: TeachClass, blobs: readonly Blob[]): number;
  remove(of: TeachClass, picture: TeachPicture): void;
  removeClass(of: TeachClass): void;
  /** Forgets all features: another model is chosen. */
  forgetFeatures(): void;
}

export function createTeachClasses(onChange: () => void): TeachClasses {
  const all: TeachClass[] = [];
  const count = () => all.reduce((sum, { pictures }) => sum + pictures.length, 0);
  return {
    all,
    named: (name) => {
      const found = all.find((each) => each.name === name);
      if (found) return found;
      const added: TeachClass = { name, pictures: [] };
      all.push(added);
      onChange();
      return added;
    },
    add: (to, blobs) => {
      const room = Math.max(0, maxPictures - count());
      for (const blob of blobs.slice(0, room)) {
        to.pictures.push({ blob, url: URL.createObjectURL(blob) });
      }
      onChange();
      return Math.max(0, blobs.length - room);
    },
    remove: (of, picture) => {
      const at = of.pictures.indexOf(picture);
      if (at >= 0) of.pictures.splice(at, 1);
      URL.revokeObjectURL(picture.url);
      onChange();
    },
    removeClass: (of) => {
      const at = all.indexOf(of);
      if (at >= 0) all.splice(at, 1);
      for (const { url } of of.pictures) URL.revokeObjectURL(url);
      onChange();
    },
    forgetFeatures: () => {
      for (const { pictures } of all) for (const picture of pictures) delete picture.features;
    },
  };
}
