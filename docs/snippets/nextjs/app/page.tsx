export default function Page() {
  return (
    <form action="/what-is-it" method="post" encType="multipart/form-data">
      <label>
        Picture <input type="file" name="picture" accept="image/*" required />
      </label>
      <button type="submit">What is it?</button>
    </form>
  );
}
